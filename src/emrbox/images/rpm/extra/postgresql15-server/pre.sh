# The user as Amazon Linux has it.
getent group postgres >/dev/null || groupadd --gid 26 postgres
getent passwd postgres >/dev/null || useradd --uid 26 --gid postgres --home-dir /var/lib/pgsql --create-home --shell /bin/bash --password '*' postgres
