"""How good the tests are: the code broken in small ways, each break against the tests that reach its line."""
