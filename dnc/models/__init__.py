"""Final networks: train the winner on all data, test it, predict with it, save and load it."""
