"""Networks: an architecture becomes a torch module (`build`), or a parameter count without torch (`params`)."""
