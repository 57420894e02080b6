"""What a visitor of a public server is told: their link, how long videos stay, and who sees them."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from emotion.environment import is_public
from emotion.translation.messages import gettext as _
from emotion.ui.visitors import identity
from emotion.video.space import VisitorQuota


def format_retention() -> str:
    """Format how long videos stay, and who sees them."""
    if not is_public():
        return _("Videos stay on this machine until you delete them.")
    quota = VisitorQuota.from_environment()
    return _(
        "Only you and those who have your link see your videos, which are deleted after {hours:g} hours. You can keep "
        "{videos} at a time, {minutes:g} minutes and {megabytes:g} MB in all."
    ).format(hours=quota.hours, videos=quota.videos, minutes=quota.minutes, megabytes=quota.megabytes)


def show_link() -> None:
    """Show the link that opens the videos of this visitor in another browser; nothing on a private server."""
    visitor_id = identity.get_id() if is_public() else ""
    if not visitor_id:
        return
    with st.expander(_("Your link"), icon=":material/link:"):
        st.write(_("It opens your videos in another browser. Whoever has it sees them and can delete them."))
        st.code(_make_link(visitor_id), language=None, wrap_lines=True)


def _make_link(visitor_id: str) -> str:
    address = urlsplit(st.context.url or "")
    base = st.get_option("server.baseUrlPath").strip("/")
    return f"{address.scheme}://{address.netloc}{f'/{base}' if base else ''}{identity.LINK_PATH}#{visitor_id}"
