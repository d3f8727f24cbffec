"""The engine that trains perceptrons on the CPU without autograd, several side by side."""
