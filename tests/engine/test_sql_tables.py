"""Tables as SQL finds them: opened when named, once a query; conditions reach Lance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from datafusion import SessionContext

from marey import Marey
from marey import expressions as se
from marey.engine.config import EngineConfig
from marey.engine.context import QueryContext
from marey.engine.planning import new_session
from marey.engine.sql_tables import SqlTables, named_videos
from marey.engine.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(
    tmp_path_factory: pytest.TempPathFactory, clip: Callable[[str], bytes]
) -> Workspace:
    root = tmp_path_factory.mktemp("tables")
    project = Marey(root).project("p")
    for name, column in {"one": "video", "two": "movie", "Third": "film"}.items():
        table = project.create_table(name, key_schema={"k": pa.int64()})
        video = se.Video(se.Blob(clip("monochrome")))
        table.write({"k": [1, 2], "label": ["a", "b"], column: [video, None]})
    return Workspace(root, None, EngineConfig())


@pytest.fixture
def context(workspace: Workspace) -> QueryContext:
    return workspace.context()


@pytest.fixture
def tables(workspace: Workspace, context: QueryContext) -> SqlTables:
    return SqlTables(workspace, context, batch_rows=64)


@pytest.fixture
def session(tables: SqlTables) -> SessionContext:
    session = new_session(catalog="marey")
    session.register_catalog_provider("marey", tables)
    return session


def test_nothing_is_open_before_it_is_named(tables: SqlTables, session: SessionContext) -> None:
    assert tables.opened == []
    session.sql("SELECT a.k FROM p.one a JOIN p.one b ON a.k = b.k").collect()
    assert len(tables.opened) == 1


@pytest.mark.parametrize(
    ("condition", "pushed"),
    [
        ('"video.index.width" >= 160', "`video`.`index`.`width` >= 160"),
        ("label = 'a'", "`label` = 'a'"),
        ("k IN (1, 7)", "`k`"),
        ("video IS NOT NULL", "`video` IS NOT NULL"),
        ("k > 1 AND upper(label) = 'A'", "`k` > 1"),
    ],
)
def test_a_condition_reaches_storage(
    condition: str, pushed: str, context: QueryContext, session: SessionContext
) -> None:
    session.sql(f"SELECT k FROM p.one WHERE {condition}").collect()
    (read,) = context.reads
    assert pushed in (read.filter or "")


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT 1", set()),
        ("SELECT * FROM p.one", {"video"}),
        ("SELECT * FROM P.ONE AS a, p.two b", {"video", "movie"}),
        ('SELECT * FROM p.one x JOIN p."Third" ON x.k = 1', {"video", "film"}),
        ("SELECT * FROM p.one, (SELECT * FROM p . two)", {"video", "movie"}),
        ("SELECT * FROM (SELECT 1) AS s, p.two", {"movie"}),
        ("SELECT * FROM a, p.two", {"movie"}),
        ("SELECT * FROM p.one AS a (x, y), p.two", {"video", "movie"}),
        ("SELECT * FROM unnest([1]) u, p.two", {"movie"}),
        ("SELECT * FROM marey.p.two", {"movie"}),
        ("SELECT * FROM (p.one JOIN p.two USING (k))", {"movie", "video"}),
        ("WITH a AS (SELECT * FROM p.two) SELECT * FROM a", {"movie"}),
        ("SELECT * FROM p.one -- , p.two", {"video"}),
        ("SELECT ' FROM p.one '", set()),
        ("SELECT * FROM p.Third", set()),
        ("SELECT * FROM p.none JOIN q.one ON true", set()),
        ("SELECT * FROM", set()),
        ("SELECT * FROM p.", set()),
    ],
)
def test_video_columns_are_those_of_the_tables_named(
    sql: str, names: set[str], workspace: Workspace
) -> None:
    assert named_videos(workspace, sql).columns == names


def test_a_name_that_no_table_can_have_is_no_table(tables: SqlTables, tmp_path: Path) -> None:
    for project, name in [
        ("p", "../one"),
        ("..", "one"),
        ("p", ""),
        ("p/one", "x"),
        ("p", "é"),
    ]:
        assert tables.open(project, name) is None
