"""Training configs, and the clock that measures t_tr. A reading order:

`engine` names the numerics; `stepper` builds the network in training for an engine: `eager`, a torch module whose CNNs
are trained on the CPU by `cnn_cpu`, or `mlp_cpu`. `loop` trains a config, `stack` several at once, and `clock` times
the same steps. `batches`, `streams` and `activations` are shared by the engines.
"""
