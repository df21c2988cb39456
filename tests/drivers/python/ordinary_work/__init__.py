"""What applications do with a DB-API driver all day. A driver is an object of one of the modules beside this package:

    name        of the driver
    target      where to connect: host, port, user, password, schema, engine, tls
    has         names of features beyond DB-API that it has
    connect     (**options) -> connection; options: database, user, password, charset, autocommit, init_command, tls,
                compress, local_infile, multi, found_rows; the schema of the run is the default database
    errors      the exceptions that it raises
    ...         and one function per feature, where drivers differ
"""
