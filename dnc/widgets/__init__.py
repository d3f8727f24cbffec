"""Interactive views for notebooks."""

from __future__ import annotations

from dnc.widgets.explorer import TradeoffExplorer

__all__ = ["TradeoffExplorer"]
