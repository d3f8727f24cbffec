"""The engine that trains CNNs on the CPU without autograd."""
