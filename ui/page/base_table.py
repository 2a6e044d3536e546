"""The table of documents: a real one, whose rows open and whose heads sort. Fixed texts only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

_HTML = '<table class="sf-table"><thead><tr></tr></thead><tbody></tbody></table>'

# All that is shown is set as text: what a document calls itself is never markup.
_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const make = (tag, name, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const head = parentElement.querySelector('thead tr');
  const body = parentElement.querySelector('tbody');
  const focused = document.activeElement && document.activeElement.dataset.sort;
  head.replaceChildren(...data.columns.map(([key, label]) => {
    const cell = make('th', 'sf-col-' + key);
    cell.scope = 'col';
    const here = data.sort === key;
    if (here) cell.ariaSort = data.down ? 'descending' : 'ascending';
    const button = make('button', here ? 'sf-sorted' : '', label);
    button.type = 'button';
    button.dataset.sort = key;
    if (here) {
      const arrow = make('span', 'sf-icon', data.down ? 'arrow_downward' : 'arrow_upward');
      arrow.ariaHidden = 'true';
      button.append(arrow);
    }
    button.onclick = () => setTriggerValue('sort', key);
    cell.append(button);
    return cell;
  }));
  body.replaceChildren(...data.rows.map((item) => {
    const row = make('tr');
    data.columns.forEach(([key], place) => {
      const cell = make('td', 'sf-col-' + key);
      if (place) {
        cell.textContent = item[key];
      } else {
        const button = make('button', 'sf-open', item.title);
        button.type = 'button';
        const under = make('span', 'sf-file', item.file);
        if (item.state) under.append(make('span', 'sf-stale', item.state));
        cell.append(button, under);
      }
      row.append(cell);
    });
    row.onclick = () => setTriggerValue('open', item.id);
    return row;
  }));
  if (focused) {
    const again = [...head.querySelectorAll('button')].find((b) => b.dataset.sort === focused);
    if (again) again.focus();
  }
}
"""
_table = st.components.v2.component("surefoot.documents", html=_HTML, js=_JS, isolate_styles=False)


def table(
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, str]],
    sort: str,
    down: bool,
    opened: Callable[[str], None],
    sorted_by: Callable[[str], None],
) -> None:
    """Draw it. `opened` is told the id of a row, `sorted_by` the key of a column."""

    def told(name: str, listener: Callable[[str], None]) -> None:
        value = st.session_state["base-table"].get(name)
        if isinstance(value, str):
            listener(value)

    data = {"columns": list(columns.items()), "rows": list(rows), "sort": sort, "down": down}
    _table(
        key="base-table",
        data=data,
        on_open_change=lambda: told("open", opened),
        on_sort_change=lambda: told("sort", sorted_by),
        height="content",
    )
