"""Django on mysqlclient: migrations of its own applications and of one that changes, the ORM, and what it asks about tables."""

import datetime
import decimal
import io
import json
import pathlib
import sys

import django
from django.conf import settings

import report
from report import task

TARGET = report.target()
settings.configure(
    DATABASES={"default": {
        "ENGINE": "django.db.backends.mysql", "HOST": TARGET["host"], "PORT": TARGET["port"], "USER": TARGET["user"],
        "PASSWORD": TARGET["password"], "NAME": TARGET["schema"], "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"charset": "utf8mb4", "isolation_level": "read committed"}}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django.contrib.admin",
                    "django.contrib.messages", "library"],
    USE_TZ=True, TIME_ZONE="UTC", DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", SECRET_KEY="of a test", MIDDLEWARE=[],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    # the admin's own, to be checked
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}], SILENCED_SYSTEM_CHECKS=["admin", "models.W042"])

MODELS = """
from django.db import models

class Shelf(models.Model):
    name = models.CharField(max_length=50, unique=True)

class Book(models.Model):
    title = models.CharField(max_length=100, db_index=True)
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE, related_name="books")
    price = models.DecimalField(max_digits=8, decimal_places=2, default=1)
    printed = models.DateTimeField(null=True)
    read_for = models.DurationField(null=True)
    about = models.JSONField(default=dict)
    cover = models.BinaryField(null=True)
    number = models.UUIDField(null=True)
    related = models.ManyToManyField("self", blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(price__gte=0), name="price_is_not_negative"),
                       models.UniqueConstraint(fields=["shelf", "title"], name="one_of_each")]
        indexes = [models.Index(fields=["-price"], name="by_price")]
"""

# there and back: what the models are after the first step, they are after the third again
SECOND = """
from django.db import migrations, models

def fill(apps, editor):
    apps.get_model("library", "Shelf").objects.create(name="made by a migration", stars=4)

class Migration(migrations.Migration):
    dependencies = [("library", "0001_initial")]
    operations = [
        migrations.AddField("Shelf", "stars", models.PositiveSmallIntegerField(default=3)),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RenameField("Shelf", "stars", "points"),
        migrations.AlterField("Shelf", "points", models.BigIntegerField(null=True)),
        migrations.AlterField("Book", "title", models.CharField(max_length=200, null=True)),
        migrations.RemoveIndex("Book", "by_price"),
        migrations.RemoveConstraint("Book", "price_is_not_negative"),
        migrations.AddIndex("Book", models.Index(fields=["printed", "price"], name="by_both")),
        migrations.RunSQL("UPDATE library_shelf SET points = points + 1", migrations.RunSQL.noop),
        migrations.RenameModel("Shelf", "Rack"),
    ]
"""
THIRD = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("library", "0002_there")]
    operations = [
        migrations.RenameModel("Rack", "Shelf"),
        migrations.RemoveIndex("Book", "by_both"),
        migrations.AddConstraint("Book", models.CheckConstraint(condition=models.Q(price__gte=0), name="price_is_not_negative")),
        migrations.AddIndex("Book", models.Index(fields=["-price"], name="by_price")),
        migrations.AlterField("Book", "title", models.CharField(max_length=100, db_index=True)),
        migrations.RemoveField("Shelf", "points"),
    ]
"""

folder = pathlib.Path("django-work").absolute()
(folder / "library" / "migrations").mkdir(parents=True, exist_ok=True)
(folder / "library" / "__init__.py").touch()
(folder / "library" / "migrations" / "__init__.py").touch()
for old in (folder / "library" / "migrations").glob("0*.py"):
    old.unlink()
(folder / "library" / "models.py").write_text(MODELS)
sys.path.insert(0, str(folder))
django.setup()

from django.core import management  # noqa: E402
from django.db import DatabaseError, connection, transaction  # noqa: E402
from django.db.models import Avg, Count, F, Max, OuterRef, Q, Subquery, Window  # noqa: E402
from django.db.models.functions import Lower, RowNumber, TruncMonth  # noqa: E402
from library.models import Book, Shelf  # noqa: E402


def command(name, *arguments, **options):
    said = io.StringIO()
    management.call_command(name, *arguments, stdout=said, stderr=said, no_color=True, **options)
    return said.getvalue()


def describe(table):
    with connection.cursor() as cursor:
        introspection = connection.introspection
        columns = [(column.name, introspection.get_field_type(column.type_code, column), column.null_ok, column.default)
                   for column in introspection.get_table_description(cursor, table)]
        return columns, introspection.get_constraints(cursor, table), introspection.get_relations(cursor, table)


@task
def knows_its_server(_):
    features = connection.features
    names = ("minimum_database_version", "supports_transactions", "has_native_uuid_field", "supports_json_field",
             "can_introspect_check_constraints", "supports_expression_indexes", "has_select_for_update_skip_locked",
             "has_select_for_update_nowait", "can_return_columns_from_insert", "is_sql_auto_is_null_enabled")
    return connection.mysql_is_mariadb, connection.mysql_version, connection.sql_mode, [getattr(features, name) for name in names]


@task
def migrates(_):
    command("makemigrations", "library")
    writing = folder / "library" / "migrations"
    (writing / "0002_there.py").write_text(SECOND)
    (writing / "0003_and_back.py").write_text(THIRD)
    said = [command("migrate"), command("showmigrations"), describe("library_book"), command("migrate", "library", "0002")]
    said += [describe("library_book"), describe("library_rack")]
    said += [command("migrate", "library", "zero"), command("migrate"), command("sqlmigrate", "library", "0003")]
    said += [command("makemigrations", "library", dry_run=True), list(Shelf.objects.values_list("name"))]
    return said


@task
def keeps_objects(_):
    import uuid
    shelves = Shelf.objects.bulk_create([Shelf(name=f"shelf {n} \U0001f600") for n in range(3)])
    seen = [shelf.pk for shelf in Shelf.objects.order_by("pk")]
    first = Shelf.objects.order_by("pk").first()
    for n in range(10):
        Book.objects.create(title=f"Book {n}", shelf=first, price=decimal.Decimal(n), about={"n": n, "tags": ["a", None]},
                            printed=datetime.datetime(2020, 1 + n, 2, 3, 4, 5, 678901, datetime.timezone.utc),
                            read_for=datetime.timedelta(days=n, microseconds=5), cover=bytes([n, 255]), number=uuid.UUID(int=n))
    book, created = Book.objects.get_or_create(title="Book 1", shelf=first)
    seen.append((book.pk, created, len(shelves)))
    book.related.add(*Book.objects.filter(price__lt=3))
    seen.append(sorted(book.related.values_list("title", flat=True)))
    changed, created = Book.objects.update_or_create(title="Book 2", shelf=first, defaults={"price": 20})
    seen.append((changed.price, created))
    upserted = Shelf.objects.bulk_create([Shelf(id=first.pk, name="renamed")], update_conflicts=True, update_fields=["name"])
    seen.append((len(upserted), Shelf.objects.get(pk=first.pk).name))
    return seen


@task
def finds_objects(_):
    books = Book.objects.order_by("pk")
    seen = [list(books.filter(Q(price__gt=3) | Q(title__iexact="book 1")).values_list("title", "price", "printed", "read_for", "about", "number"))]
    seen.append(list(books.filter(about__n__gte=8).values_list("title", flat=True)))
    seen.append(books.aggregate(Avg("price"), Max("printed"), Count("pk", distinct=True)))
    seen.append(list(books.annotate(month=TruncMonth("printed")).values("month").annotate(n=Count("pk")).values_list("month", "n")))
    seen.append(list(books.annotate(rank=Window(RowNumber(), order_by=F("price").desc())).values_list("title", "rank")[:3]))
    newest = Book.objects.filter(shelf=OuterRef("pk")).order_by("-pk").values("title")[:1]
    seen.append(list(Shelf.objects.annotate(newest=Subquery(newest)).order_by("pk").values_list("name", "newest")))
    seen.append([book.shelf.name for book in books.select_related("shelf")[:2]])
    seen.append([[book.title for book in shelf.books.all()] for shelf in Shelf.objects.prefetch_related("books").order_by("pk")])
    seen.append(list(books.annotate(low=Lower("title")).filter(title__regex="^Book [0-3]$").values_list("low", flat=True)))
    seen.append(sum(1 for _ in books.iterator(chunk_size=3)))
    seen.append(bytes(books.first().cover).hex())
    return seen


@task
def transactions_nest(_):
    seen = []
    with transaction.atomic():
        Shelf.objects.create(name="kept")
        try:
            with transaction.atomic():
                Shelf.objects.create(name="kept")
        except DatabaseError as error:
            seen.append([type(error).__name__, *error.args])
        transaction.on_commit(lambda: seen.append("committed"))
        seen.append(Shelf.objects.filter(name="kept").select_for_update(skip_locked=True).count())
    try:
        with transaction.atomic():
            Book.objects.filter(title="Book 3").update(price=-1)
    except DatabaseError as error:
        seen.append([type(error).__name__, *error.args])
    try:
        Book.objects.raw("SELECT * FROM no_such_table")[0]
    except DatabaseError as error:
        seen.append([type(error).__name__, *error.args])
    seen.append(Book.objects.filter(price__lt=5).delete())
    return seen


@task
def has_users_and_sessions(_):
    from django.contrib.auth import authenticate
    from django.contrib.auth.models import Group, Permission, User
    from django.contrib.sessions.backends.db import SessionStore
    user = User.objects.create_user("ann", "ann@example.org", "secret")
    group = Group.objects.create(name="readers")
    group.permissions.set(Permission.objects.filter(content_type__app_label="library"))
    user.groups.add(group)
    session = SessionStore()
    session["a"] = [1, "\U0001f600"]
    session.save()
    again = SessionStore(session.session_key)
    return authenticate(username="ann", password="secret") == user, sorted(user.get_all_permissions()), again["a"]


@task
def dumps_inspects_and_flushes(_):
    dumped = json.loads(command("dumpdata", "library"))
    inspected = command("inspectdb", "library_book", "library_shelf")
    command("flush", interactive=False, verbosity=0)
    left = Book.objects.count()
    # a fresh session, by way of its health check
    connection.close_if_unusable_or_obsolete()
    return dumped, inspected, left


if __name__ == "__main__":
    report.run(None, TARGET)
