"""The engine that trains perceptrons on the CPU without autograd, several side by side. Read `direct` first.

`layout` says where weights lie in one flat vector, `passes` computes the gradients, `adam` updates, `stacked` predicts.
"""
