"""SQLAlchemy and Alembic: what an ORM asks of a server, and how it changes a schema from version to version.

`--by=DRIVER` names the driver beneath: pymysql, mysqldb, mariadbconnector, mysqlconnector."""

import contextlib
import datetime
import decimal
import io
import sys

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import orm
from sqlalchemy.dialects import mysql

import report
from report import task

BY = next((argument[5:] for argument in sys.argv if argument.startswith("--by=")), "pymysql")
sys.argv = [argument for argument in sys.argv if not argument.startswith("--by=")]


class Base(orm.DeclarativeBase):
    pass


tagged = sa.Table("orm_tagged", Base.metadata, sa.Column("post", sa.ForeignKey("orm_post.id"), primary_key=True),
                  sa.Column("tag", sa.ForeignKey("orm_tag.id"), primary_key=True))


class Author(Base):
    __tablename__ = "orm_author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(50), unique=True)
    born: orm.Mapped[datetime.date | None]
    fee: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(12, 4), default=decimal.Decimal("1.5"))
    settings: orm.Mapped[dict | None] = orm.mapped_column(sa.JSON)
    version: orm.Mapped[int] = orm.mapped_column(default=0)
    posts: orm.Mapped[list["Post"]] = orm.relationship(back_populates="author", cascade="all, delete-orphan")
    __mapper_args__ = {"version_id_col": version}


class Post(Base):
    __tablename__ = "orm_post"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("orm_author.id", ondelete="CASCADE"))
    title: orm.Mapped[str] = orm.mapped_column(sa.String(100), index=True)
    body: orm.Mapped[str] = orm.mapped_column(sa.Text, default="")
    written: orm.Mapped[datetime.datetime] = orm.mapped_column(mysql.DATETIME(fsp=6), server_default=sa.func.now(6))
    picture: orm.Mapped[bytes | None] = orm.mapped_column(sa.LargeBinary)
    kind: orm.Mapped[str] = orm.mapped_column(sa.Enum("draft", "public"), default="draft")
    author: orm.Mapped[Author] = orm.relationship(back_populates="posts")
    tags: orm.Mapped[list["Tag"]] = orm.relationship(secondary=tagged)


class Tag(Base):
    __tablename__ = "orm_tag"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    word: orm.Mapped[str] = orm.mapped_column(sa.String(30))


class Driver:
    def __init__(self, target):
        self.target = target
        url = sa.URL.create(f"mysql+{BY}", target["user"], target["password"], target["host"], target["port"], target["schema"])
        self.engine = sa.create_engine(url, pool_size=3, pool_pre_ping=True, pool_recycle=3600)


@task
def knows_its_server(driver):
    with driver.engine.connect() as connection:
        dialect = connection.dialect
        return [dialect.server_version_info, dialect.is_mariadb, dialect.default_schema_name == driver.target["schema"],
                dialect.get_isolation_level(connection.connection.dbapi_connection), dialect._sql_mode, dialect._casing]


@task
def creates_tables(driver):
    Base.metadata.drop_all(driver.engine)
    Base.metadata.create_all(driver.engine)
    Base.metadata.create_all(driver.engine)
    return sorted(name for name in sa.inspect(driver.engine).get_table_names() if name.startswith("orm_"))


@task
def keeps_objects(driver):
    with orm.Session(driver.engine) as session:
        words = [Tag(word=word) for word in ("red", "green", "blue")]
        for number in range(5):
            author = Author(name=f"Author {number} \U0001f600", born=datetime.date(1980, 1, 1 + number),
                            settings={"n": number, "list": [1, None, "\u00e9"]} if number % 2 else None)
            author.posts = [Post(title=f"Post {n}", picture=bytes([n, 255]), tags=words[:n], kind="public" if n else "draft",
                                 written=datetime.datetime(2020, 1, 2, 3, 4, 5, 678901)) for n in range(3)]
            session.add(author)
        session.commit()
        seen = [(author.id, author.name, author.version) for author in session.scalars(sa.select(Author).order_by(Author.id))]
    return seen


@task
def finds_objects(driver):
    with orm.Session(driver.engine) as session:
        eager = session.scalars(sa.select(Author).options(orm.selectinload(Author.posts).joinedload(Post.tags)).order_by(Author.id))
        seen = [[(author.name, author.born, author.fee, author.settings,
                  [(post.title, post.written, post.picture, post.kind, sorted(tag.word for tag in post.tags))
                   for post in author.posts]) for author in eager.unique()]]
        counted = sa.select(Author.id, sa.func.count(Post.id)).join(Author.posts).group_by(Author.id).order_by(Author.id)
        seen.append([tuple(row) for row in session.execute(counted)])
        rank = sa.func.row_number().over(partition_by=Post.author_id, order_by=Post.id.desc())
        seen.append([tuple(row) for row in session.execute(sa.select(Post.author_id, rank).order_by(Post.id).limit(4).offset(2))])
        seen.append([tuple(row) for row in session.execute(sa.select(Author.settings["n"].as_integer()).order_by(Author.id))])
        recent = sa.select(Post.id).where(Post.kind == "public").cte("recent")
        seen.append(session.scalar(sa.select(sa.func.count()).select_from(recent)))
        streamed = session.execute(sa.select(Post.title).execution_options(yield_per=2))
        seen.append(sum(1 for _ in streamed))
    return seen


@task
def changes_objects(driver):
    with orm.Session(driver.engine) as session, orm.Session(driver.engine) as other:
        first = session.get(Author, 1)
        second = other.get(Author, 1)
        first.fee = decimal.Decimal("2.2500")
        session.commit()
        second.fee = decimal.Decimal("9")
        try:
            other.commit()
            seen = ["committed"]
        except orm.exc.StaleDataError as error:
            other.rollback()
            seen = [str(error)]
        session.delete(session.get(Author, 2))
        session.commit()
        seen.append(session.scalar(sa.select(sa.func.count(Post.id))))
        changed = session.execute(sa.update(Post).where(Post.title == "Post 1").values(body=Post.title + "!"))
        seen.append(changed.rowcount)
        upsert = mysql.insert(Tag).values([{"id": 1, "word": "RED"}, {"id": 9, "word": "new"}])
        session.execute(upsert.on_duplicate_key_update(word=upsert.inserted.word))
        session.commit()
        seen.append([tuple(row) for row in session.execute(sa.select(Tag.id, Tag.word).order_by(Tag.id))])
    return seen


@task
def transactions_nest(driver):
    with orm.Session(driver.engine) as session:
        session.add(Tag(word="kept"))
        session.flush()
        try:
            with session.begin_nested():
                session.add(Author(name="Author 0 \U0001f600"))
                session.flush()
            seen = ["succeeded"]
        except sa.exc.IntegrityError as error:
            seen = [str(error.orig)]
        session.commit()
        seen.append(session.scalar(sa.select(sa.func.count()).where(Tag.word == "kept")))
    for level in ("READ COMMITTED", "SERIALIZABLE", "AUTOCOMMIT"):
        with driver.engine.connect().execution_options(isolation_level=level) as connection:
            seen.append((level, connection.scalar(sa.text("SELECT @@autocommit")), connection.get_isolation_level()))
    with driver.engine.connect() as connection:
        transaction = connection.begin_twophase("orm two phases")
        connection.execute(sa.text("INSERT INTO orm_tag (word) VALUES ('prepared')"))
        transaction.prepare()
        transaction.commit()
        seen.append(connection.scalar(sa.text("SELECT COUNT(*) FROM orm_tag WHERE word = 'prepared'")))
    return seen


@task
def locks_rows(driver):
    with orm.Session(driver.engine) as session, orm.Session(driver.engine) as other:
        session.scalars(sa.select(Author).where(Author.id == 1).with_for_update()).all()
        try:
            other.scalars(sa.select(Author).where(Author.id == 1).with_for_update(nowait=True)).all()
            seen = ["not locked"]
        except sa.exc.OperationalError as error:
            seen = [str(error.orig)]
        other.rollback()
        rest = sa.select(Author.id).where(Author.id < 4).order_by(Author.id).with_for_update(skip_locked=True)
        seen.append([row[0] for row in other.execute(rest)])
    return seen


@task
def reflects_tables(driver):
    inspector = sa.inspect(driver.engine)
    seen = []
    for name in ("orm_author", "orm_post", "orm_tagged"):
        columns = [(column["name"], str(column["type"]), column["nullable"], column["default"]) for column in inspector.get_columns(name)]
        seen.append((name, columns, inspector.get_pk_constraint(name), inspector.get_foreign_keys(name), inspector.get_indexes(name),
                     inspector.get_unique_constraints(name), inspector.get_table_options(name)))
    seen.append((inspector.has_table("no_such_table"), driver.target["schema"] in inspector.get_schema_names()))
    return seen


@task
def migrates_step_by_step(driver):
    with driver.engine.connect() as connection:
        operations = Operations(MigrationContext.configure(connection))
        operations.create_table("migrated", sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.String(20)))
        operations.bulk_insert(sa.table("migrated", sa.column("a", sa.String)), [{"a": "one"}, {"a": "two"}])
        operations.add_column("migrated", sa.Column("b", sa.Integer, server_default="7", nullable=False))
        operations.alter_column("migrated", "a", new_column_name="renamed", type_=sa.String(40), existing_type=sa.String(20), nullable=True)
        operations.create_index("by_b", "migrated", ["b"])
        operations.create_unique_constraint("one_each", "migrated", ["renamed"])
        operations.execute("UPDATE migrated SET b = b + id")
        seen = [[tuple(row) for row in connection.execute(sa.text("SELECT * FROM migrated ORDER BY id"))]]
        operations.drop_constraint("one_each", "migrated", type_="unique")
        operations.drop_index("by_b", "migrated")
        operations.drop_column("migrated", "b")
        operations.rename_table("migrated", "migrated_again")
        seen.append([column["name"] for column in sa.inspect(connection).get_columns("migrated_again")])
        operations.drop_table("migrated_again")
    return seen


ENVIRONMENT = """
from alembic import context
connectable = context.config.attributes["engine"]
with connectable.connect() as connection:
    context.configure(connection=connection, target_metadata=context.config.attributes["metadata"])
    with context.begin_transaction():
        context.run_migrations()
"""


@task
def migrates_from_version_to_version(driver):
    import pathlib
    import shutil
    folder = pathlib.Path("alembic").absolute()
    shutil.rmtree(folder, ignore_errors=True)
    said = io.StringIO()
    config = Config("alembic.ini", stdout=said)
    config.set_main_option("script_location", str(folder))
    pathlib.Path("alembic.ini").unlink(missing_ok=True)
    config.attributes["engine"] = driver.engine
    Base.metadata.drop_all(driver.engine)
    # only these tables are compared: the schema has other tasks' too
    metadata = sa.MetaData()
    for table in Base.metadata.sorted_tables:
        table.to_metadata(metadata)
    config.attributes["metadata"] = metadata
    with driver.engine.begin() as connection:
        for name in sa.inspect(connection).get_table_names():
            connection.execute(sa.text(f"DROP TABLE IF EXISTS `{name}`"))
    with contextlib.redirect_stdout(said):
        command.init(config, str(folder))
    (folder / "env.py").write_text(ENVIRONMENT)
    with contextlib.redirect_stdout(said):
        command.revision(config, "first", autogenerate=True, rev_id="0001")
    command.upgrade(config, "head")
    metadata.tables["orm_author"].append_column(sa.Column("nickname", sa.String(20), index=True))
    with contextlib.redirect_stdout(said):
        command.revision(config, "second", autogenerate=True, rev_id="0002")
    command.upgrade(config, "head")
    said.truncate(0)
    said.seek(0)
    command.current(config)
    seen = [said.getvalue().strip().split("\n")[-1]]
    with driver.engine.connect() as connection:
        left = compare_metadata(MigrationContext.configure(connection), metadata)
        seen.append([str(difference) for difference in left])
        seen.append([column["name"] for column in sa.inspect(connection).get_columns("orm_author")])
    command.downgrade(config, "0001")
    with driver.engine.connect() as connection:
        seen.append([column["name"] for column in sa.inspect(connection).get_columns("orm_author")])
    command.downgrade(config, "base")
    seen.append(sa.inspect(driver.engine).get_table_names())
    return seen


@task
def a_pool_survives_lost_sessions(driver):
    with driver.engine.connect() as connection:
        number = connection.scalar(sa.text("SELECT CONNECTION_ID()"))
    with driver.engine.connect() as keeper, driver.engine.connect() as killer:
        numbers = [keeper.scalar(sa.text("SELECT CONNECTION_ID()")), killer.scalar(sa.text("SELECT CONNECTION_ID()"))]
        victim = numbers[0]
        killer.execute(sa.text(f"KILL {victim}"))
        try:
            keeper.scalar(sa.text("SELECT 1"))
            seen = ["alive"]
        except sa.exc.DBAPIError as error:
            seen = [error.connection_invalidated]
    seen.append(number in numbers)
    for _ in range(5):
        with driver.engine.connect() as connection:
            seen.append(connection.scalar(sa.text("SELECT 'alive'")))
    driver.engine.dispose()
    return seen


if __name__ == "__main__":
    to = report.target()
    report.run(Driver(to), to)
