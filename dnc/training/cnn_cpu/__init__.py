"""The forward and backward pass that trains CNNs on the CPU without autograd. Read `conv` first, then `convblock`."""
