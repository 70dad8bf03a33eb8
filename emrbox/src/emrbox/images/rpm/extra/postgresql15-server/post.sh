install -d -o postgres -g postgres -m 700 /var/lib/pgsql/data
install -d -o postgres -g postgres -m 755 /run/postgresql
