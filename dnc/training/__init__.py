"""Training: the loop, the clock that measures t_tr, and prediction with trained networks."""
