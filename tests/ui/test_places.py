"""A place that is given up whole when what stands in it changes."""

from __future__ import annotations

import pytest

testing = pytest.importorskip("streamlit.testing.v1")


def page() -> None:
    import streamlit as st

    from ui.page.places import by_turns

    shown = st.text_input("Rows", key="rows")
    with by_turns("list", shown):
        for name in shown:
            st.button(name, key=f"row-{name}")


def test_other_rows_stand_in_another_place() -> None:
    app = testing.AppTest.from_function(page).run()
    seen = []
    for rows in ("abc", "abc", "a", "", "a"):
        app.text_input[0].set_value(rows).run()
        assert not app.exception
        assert [button.label for button in app.button] == list(rows)
        seen.append(
            next(at for at, block in app.main.children.items() if block.type != "empty" and at)
        )
    assert seen == [2, 2, 1, 2, 1]
