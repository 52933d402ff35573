"""Alembic's entry point; `service.records.database.migrate` hands over the connection."""

from alembic import context

from service.records.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
    transactional_ddl=True,  # a process killed in the middle leaves the old schema
)
with context.begin_transaction():
    context.run_migrations()
