"""Things to drag and to watch in a notebook."""

from __future__ import annotations

from dnc.widgets.explorer import TradeoffExplorer

__all__ = ["TradeoffExplorer"]
