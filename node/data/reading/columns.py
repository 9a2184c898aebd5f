"""Parquet: each row is a document, read a few rows at a time; a part is a range of row groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from node.data.document import Document, Unreadable
from node.data.reading.jsons import said
from node.data.reading.limits import Budget, Refused
from node.data.reading.tables import chosen, joined
from node.data.reading.texts import GARBLED, NOTHING, PIECE

ROWS = 64  # held at a time
BUFFER = 1 << 20  # bytes read at a time, for each column


def row_groups(file: BinaryIO) -> list[int]:
    """Bytes of each, unpacked. Raises Refused when it is no Parquet file."""
    metadata = _opened(file).metadata  # not a column's: for a damaged one the library ends the process
    return [metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)]


def rows(
    name: str, file: BinaryIO, field: str, budget: Budget, start: int = 0, stop: int | None = None
) -> Iterator[Document | Unreadable]:
    """The rows of the row groups [start, stop), numbered from 1 in the whole file."""
    import pyarrow

    parquet = _opened(file)
    groups = parquet.metadata.num_row_groups
    stop = groups if stop is None else min(stop, groups)
    number = sum(parquet.metadata.row_group(index).num_rows for index in range(min(start, groups)))
    if not parquet.metadata.num_rows:
        yield Unreadable(name, NOTHING)
        return
    try:
        wanted, talks = _wanted(parquet, field)
        for index in range(start, stop):
            for batch in parquet.iter_batches(ROWS, row_groups=[index], columns=wanted, use_threads=False):
                budget.unpack(max(batch.nbytes, len(batch)))
                try:
                    held = batch.to_pylist()
                except UnicodeDecodeError:
                    yield Unreadable(f"{name}!{number + 1}", GARBLED)
                    number += len(batch)
                    continue
                for row in held:
                    number += 1
                    yield from _row(f"{name}!{number}", row, wanted, field, talks=talks)
    except (pyarrow.ArrowException, OSError) as error:
        raise Refused("a damaged Parquet file") from error


def _row(
    label: str, row: dict[str, Any], wanted: list[str], field: str, *, talks: bool
) -> Iterator[Document | Unreadable]:
    if talks or "." in field:
        yield from said(label, row, field)
    elif text := joined([value for name in wanted if isinstance(value := row[name], str)]):
        yield Document(label, text[:PIECE], kind="prose" if len(wanted) == 1 else "table")


def _wanted(parquet: Any, field: str) -> tuple[list[str], bool]:
    """The columns to read, and whether they hold conversations."""
    import pyarrow

    schema = parquet.schema_arrow
    if field:
        top = field.partition(".")[0]
        if field not in schema.names and top not in schema.names:
            raise Refused(f'a table without the column "{field}"')
        return [field if field in schema.names else top], False
    if "messages" in schema.names and pyarrow.types.is_list(schema.field("messages").type):
        return ["messages"], True
    texts = [one.name for one in schema if _is_text(one.type)]
    if not texts:
        raise Refused("a table without a column of text")
    batch = next(parquet.iter_batches(ROWS, row_groups=[0], columns=texts, use_threads=False), None)
    if batch is None:
        raise Refused(NOTHING)
    first = batch.to_pydict()
    columns = [[value for value in first[name] if isinstance(value, str)] for name in texts]
    return [texts[index] for index in chosen(texts, columns, "")], False


def _is_text(type_: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_string(type_)
        or types.is_large_string(type_)
        or (types.is_dictionary(type_) and _is_text(type_.value_type))
    )


def _opened(file: BinaryIO) -> Any:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(file, buffer_size=BUFFER, pre_buffer=False, page_checksum_verification=False)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Refused("not a Parquet file, or a damaged one") from error
