"""The paper's figures and tables as experiments: run, judge the claims, draw. `registry` lists them."""
