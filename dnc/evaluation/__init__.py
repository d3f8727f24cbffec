"""From a config to a trial: look it up, else time and train it, and record what was measured."""
