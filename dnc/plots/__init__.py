"""Pictures: plain data (`info`) first, then matplotlib or plotly draws it. `style` is the one look of all of them."""
