"""What a network sees, and why it answers so: pure functions, (network, photograph, ...) -> map. Importing this loads no torch.

`catalogue` lists the methods and their parameters, without torch; everything else works on a `frozen.UnitNetwork`.
"""
