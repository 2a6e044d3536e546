"""The little that the browser itself does: keys, where it looks, copying. Fixed texts only."""

from __future__ import annotations

import streamlit as st

# What hangs above the page (dialogs, menus) stands outside the part that has the colour scheme.
_SCHEME = """
export default function () {
  const app = document.querySelector('.stApp');
  const follow = () => {
    document.documentElement.style.colorScheme = getComputedStyle(app).colorScheme;
  };
  const seen = new MutationObserver(follow);
  seen.observe(app, { attributes: true, attributeFilter: ['class'] });
  follow();
  return () => seen.disconnect();
}
"""

# "/" and the first paint lead to the box, where there is a keyboard to type with; Escape puts
# away a source that a pointer has opened, until the pointer leaves. A new question goes to the
# top of the page, and its answer fills the room below.
_KEYS = """
export default function ({ data }) {
  const box = () => document.querySelector('[data-testid="stChatInputTextArea"]');
  const root = document.documentElement;
  const open = () => root.removeAttribute('data-sf-dismissed');
  const pressed = (event) => {
    if (event.key === 'Escape') {
      root.setAttribute('data-sf-dismissed', '');
      return;
    }
    const typing = event.target.closest('input, textarea, select, [contenteditable="true"]');
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key === '/' && plain && !typing && box()) {
      event.preventDefault();
      box().focus();
    }
  };
  const left = (event) => {
    if (event.target.closest && event.target.closest('.sf-chip')) open();
  };
  document.addEventListener('keydown', pressed);
  document.addEventListener('pointerout', left);
  // For a while, since what stood below the question before is still going away.
  let looks = root.dataset.sfPlace === data.place ? 0 : 40;
  const enough = () => { looks = 0; };
  const moves = ['wheel', 'touchmove', 'pointerdown'];
  moves.forEach((move) => document.addEventListener(move, enough, { passive: true }));
  const look = setInterval(() => {
    looks -= 1;
    const turn = looks > 0 && document.querySelector(`.st-key-talk-turn-${data.turns - 1}`);
    if (turn) {
      root.dataset.sfPlace = data.place;
      const main = document.querySelector('.stMain');
      const free = parseFloat(getComputedStyle(turn).scrollMarginTop);
      const top = turn.getBoundingClientRect().top - main.getBoundingClientRect().top - free;
      main.scrollTop = data.turns > 1 ? main.scrollTop + top : 0;
    }
    if (looks <= 0) clearInterval(look);
  }, 50);
  if (matchMedia('(pointer: fine)').matches) {
    let tries = 40;
    const wait = setInterval(() => {
      const idle = document.activeElement === document.body;
      if (box() && idle) box().focus();
      if (box() || --tries === 0) clearInterval(wait);
    }, 50);
  }
  return () => {
    document.removeEventListener('keydown', pressed);
    document.removeEventListener('pointerout', left);
    moves.forEach((move) => document.removeEventListener(move, enough));
    clearInterval(look);
  };
}
"""

_COPY = """
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector('button');
  const said = parentElement.querySelector('[role="status"]');
  const icon = button.querySelector('.sf-icon');
  const write = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    // Only pages by https or on this machine have a clipboard.
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (!done) throw new Error('copying is not allowed');
  };
  const show = (name, words) => {
    icon.textContent = name;
    said.textContent = words;
  };
  button.onclick = async () => {
    try {
      await write(data.text);
      show('check', 'Copied');
    } catch (error) {
      show('error', 'The browser did not allow it');
    }
    setTimeout(() => show('content_copy', ''), 2000);
  };
}
"""
_BUTTON = """
<button type="button" class="sf-copy" title="Copy with sources" aria-label="Copy with sources">
<span class="sf-icon" aria-hidden="true">content_copy</span></button>
<span class="sf-said" role="status"></span>
"""

_scheme = st.components.v2.component("surefoot.scheme", js=_SCHEME, isolate_styles=False)
_keys = st.components.v2.component("surefoot.keys", js=_KEYS, isolate_styles=False)
_copy = st.components.v2.component("surefoot.copy", html=_BUTTON, js=_COPY, isolate_styles=False)


def scheme() -> None:
    """The colour scheme for what hangs above the page; once a page."""
    _scheme(key="page-scheme", height="content")


def keys(turns: int, place: str) -> None:
    """Keys for the chat page, and its last question in view. Another `place` is looked at anew."""
    _keys(key="talk-keys", height="content", data={"turns": turns, "place": place})


def copy_button(text: str, key: str) -> None:
    """A quiet button that copies `text`."""
    _copy(key=key, data={"text": text}, width="content")
