"""A button that puts a text on the clipboard, without a run of the script.

Plain HTML and one listener for all of them: a component of Streamlit's would load pandas before the first reply.
"""

import html
from typing import Final

import streamlit as st

LISTENER: Final = """
<script>
if (!window.convoCopies) {
  window.convoCopies = true;
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.appendChild(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
</script>
"""


def listen() -> None:
    """Have the page's copy buttons work; once a page."""
    st.html(LISTENER, unsafe_allow_javascript=True)


def copy_button(text: str) -> None:
    """Put `text` on the clipboard when it is pressed."""
    st.html(f'<button type="button" class="copy" data-copy="{html.escape(text)}">Copy</button>', width="content")
