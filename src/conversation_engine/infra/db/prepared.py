"""Statements of the hot path: compiled once, then handed to the driver.

SQLAlchemy writes the SQL and converts the values, exactly as for any other statement; what is left out is what it
does around each execution, which costs more than the execution. Why, and what it bought: docs/decisions/0007.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Dialect, Executable, Table, bindparam, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningUpdate

from conversation_engine.infra.db.database import Tx

Convert = Callable[[Any], Any]
Rows = Sequence[Sequence[Any]]
Description = Sequence[Sequence[Any]]
"""What a cursor says of its columns: the name, the driver's word for the type, and more."""


class Prepared:
    """One statement, for either database. Make it once and keep it; safe to use from many threads.

    Every execution names the same values, no more and no fewer. Refused with ValueError at the first execution: a
    list that expands (`IN`), and a column that Python would fill in.
    """

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._forms: WeakKeyDictionary[Dialect, _Form] = WeakKeyDictionary()

    def run(self, tx: Tx, values: Mapping[str, Any]) -> None:
        """Execute it. Raises what `tx.execute` would, ConstraintViolation among it; so do the other verbs."""
        form = self._form(tx, values)
        _executed(tx, form, form.parameters(values))

    def run_each(self, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it for each of `rows`, of which there is at least one, in one round trip."""
        if len(rows) == 1:
            return self.run(tx, rows[0])
        form = self._form(tx, rows[0])
        _executed(tx, form, [form.parameters(values) for values in rows])
        return None

    def first(self, tx: Tx, values: Mapping[str, Any]) -> Any:
        """The first row, its columns by name or by place; `None` where there is none."""
        form = self._form(tx, values)
        rows = _executed(tx, form, form.parameters(values))
        return form.named(rows[0]) if rows else None

    def all(self, tx: Tx, values: Mapping[str, Any]) -> Rows:
        """Every row, its columns by place."""
        form = self._form(tx, values)
        return form.converted(_executed(tx, form, form.parameters(values)))

    def _form(self, tx: Tx, values: Mapping[str, Any]) -> "_Form":
        form = self._forms.get(tx.dialect)
        if form is None:
            form = self._forms[tx.dialect] = _Form(self.statement, tx.dialect, sorted(values))
        return form


class ChangeAndInsert:
    """A change of one row, and a new row elsewhere that needs what the change returns.

    One statement on PostgreSQL, where a `WITH` may write; two on SQLite, which is asked without a round trip.
    """

    def __init__(self, change: ReturningUpdate[Any], table: Table, *, taken: Mapping[str, str]) -> None:
        """`taken`: the columns of `table` that come from the changed row, with their names there."""
        self.change = Prepared(change)
        self.insertion = Prepared(insert(table))
        self.both = Prepared(_both(change, table, taken))
        self._taken = taken

    def first(self, tx: Tx, values: Mapping[str, Any], new: Mapping[str, Any]) -> Any:
        """The changed row; `None` where there is none, and then nothing is written.

        `values` are the change's, `new` names every other column of the new row. Raises what `Prepared` does.
        """
        if tx.dialect.name == "postgresql":
            return self.both.first(tx, {**values, **{_NEW + name: value for name, value in new.items()}})
        changed = self.change.first(tx, values)
        if changed is not None:
            self.insertion.run(tx, {**new, **{name: getattr(changed, there) for name, there in self._taken.items()}})
        return changed


_NEW = "new_"


def _both(change: ReturningUpdate[Any], table: Table, taken: Mapping[str, str]) -> Executable:
    changed = change.cte("changed")
    own = [column for column in table.columns if column.key not in taken and column.computed is None]
    values = [bindparam(_NEW + column.key, type_=column.type) for column in own]
    names = [*(column.key for column in own), *taken]
    source = select(*values, *(changed.c[there] for there in taken.values()))
    written = insert(table).from_select(names, source, include_defaults=False).cte("written")
    return select(*changed.c).add_cte(written)


class _Form:
    """A statement in one dialect."""

    def __init__(self, statement: Executable, dialect: Dialect, names: list[str]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=names)  # type: ignore[attr-defined]
        self.sql = str(compiled)
        slots, self._constants = _bound(compiled, names)
        self._names = frozenset(names)
        self._places = [name for name, _ in slots]
        self._bound_converts = _only_converts(convert for _, convert in slots)
        self._columns = list(getattr(statement, "exported_columns", ()))
        self._dialect = dialect
        self._converts: list[tuple[int, Convert]] | None = None
        self._row: Any = namedtuple("Row", [column.key for column in self._columns], rename=True)  # type: ignore[misc]

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """What the driver is given for `values`. Raises ValueError when these are not the ones to give."""
        if values.keys() != self._names:
            raise ValueError(f"this statement takes {sorted(self._names)}, not {sorted(values)}")
        named = {**self._constants, **values} if self._constants else values
        return tuple(_converted([named[name] for name in self._places], self._bound_converts))

    def described(self, description: Description) -> None:
        """Take note of what a cursor says of its columns, once: some types are converted by that."""
        if self._converts is not None:
            return
        if len(description) != len(self._columns):
            raise ValueError("this statement returns other columns than it names")
        kinds = [column[1] for column in description]
        self._converts = _only_converts(
            column.type.dialect_impl(self._dialect).result_processor(self._dialect, kind)
            for column, kind in zip(self._columns, kinds, strict=True)
        )

    def named(self, row: Sequence[Any]) -> Any:
        """A row as the statement's types convert it, with names."""
        return self._row._make(_converted(list(row), self._converts or ()))

    def converted(self, rows: Rows) -> Rows:
        """The rows as the statement's types convert them."""
        converts = self._converts
        return [_converted(list(row), converts) for row in rows] if converts else rows


def _only_converts(converts: Iterable[Convert | None]) -> list[tuple[int, Convert]]:
    """The places where a value has to be converted, and how: most need nothing."""
    return [(place, convert) for place, convert in enumerate(converts) if convert is not None]


def _converted(values: list[Any], converts: Iterable[tuple[int, Convert]]) -> list[Any]:
    for place, convert in converts:
        values[place] = convert(values[place])
    return values


def _bound(compiled: SQLCompiler, names: list[str]) -> tuple[list[tuple[str, Convert | None]], dict[str, Any]]:
    """The places of the values, in the driver's order, and those values that never change, converted already."""
    if compiled.insert_prefetch or compiled.update_prefetch:
        raise ValueError("a column of this statement has a default in Python: name its value")
    if compiled.post_compile_params or compiled.literal_execute_params:
        raise ValueError("this statement's text depends on its values")
    slots: list[tuple[str, Convert | None]] = []
    constants: dict[str, Any] = {}
    for place in compiled.positiontup or ():
        bind = compiled.binds[place]
        convert = bind.type.dialect_impl(compiled.dialect).bind_processor(compiled.dialect)
        if bind.required or bind.key in names:
            slots.append((bind.key, convert))
        else:
            constants[place] = bind.effective_value if convert is None else convert(bind.effective_value)
            slots.append((place, None))
    asked = {name for name, _ in slots} - constants.keys()
    if asked != set(names) or constants.keys() & set(names):
        raise ValueError(f"this statement takes {sorted(asked)}, not {names}")
    return slots, constants


def _executed(tx: Tx, form: _Form, parameters: Any) -> Rows:
    """Execute it and fetch all; `parameters` is a tuple, or a list of tuples for many executions at once."""
    if tx.dispatch.before_cursor_execute or tx.dispatch.after_cursor_execute:
        return _watched(tx, form, parameters)
    connection = tx.connection
    cursor = connection.cursor()
    try:
        if isinstance(parameters, list):
            cursor.executemany(form.sql, parameters)
            return ()
        cursor.execute(form.sql, parameters)
        description: Description | None = cursor.description
        if description is None:
            return ()
        form.described(description)
        rows: Rows = cursor.fetchall()
        return rows
    except tx.dialect.loaded_dbapi.Error as error:
        raise _translated(tx, form, error) from error
    except BaseException as error:
        if not isinstance(error, Exception):  # cancelled in the middle of a reply: the connection is of no more use
            tx.invalidate(error)
        raise
    finally:
        cursor.close()


def _watched(tx: Tx, form: _Form, parameters: Any) -> Rows:
    """The same through SQLAlchemy, for those who listen to its events."""
    result = tx.exec_driver_sql(form.sql, parameters)
    if not result.returns_rows:
        return ()
    form.described(result.cursor.description)
    return result.all()


def _translated(tx: Tx, form: _Form, error: Exception) -> Exception:
    """The error that SQLAlchemy would raise."""
    is_gone = tx.dialect.is_disconnect(error, tx.connection, None)  # type: ignore[arg-type]
    if is_gone:
        try:
            tx.exec_driver_sql("SELECT 1")  # fails too, and then SQLAlchemy gives up the connections of the whole pool
        except DBAPIError as again:
            is_gone = again.connection_invalidated
    base = tx.dialect.loaded_dbapi.Error
    return DBAPIError.instance(
        form.sql,
        None,
        error,
        base,
        hide_parameters=True,
        connection_invalidated=is_gone,
        dialect=tx.dialect,
    )
