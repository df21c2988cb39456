"""What PyMySQL and mysqlclient have in common: the same interface, by two implementations of the protocol."""


class DbApiDriver:
    charsets = ("utf8mb4", "latin1", "gbk", "big5", "cp932")

    def __init__(self, target):
        self.target = target

    def error(self, error):
        return [type(error).__name__, *error.args]

    def thread_id(self, connection):
        return connection.thread_id()

    def call(self, connection, name, arguments):
        cursor = connection.cursor()
        cursor.callproc(name, arguments)
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
        if arguments:
            cursor.execute(f"SELECT @_{name}_0, @_{name}_1, @_{name}_2")
            results.append(cursor.fetchall())
        return results
