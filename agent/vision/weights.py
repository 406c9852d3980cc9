"""What a line that the plate finder marked is worth; made by tests/bench/train/plates.py, not by hand.

Trained on photographs of the set "vin-detection", version 7, by kirill-sergeev on Roboflow Universe, CC BY 4.0
(https://universe.roboflow.com/kirill-sergeev/vin-detection); only numbers derived from them are kept here.
"""
# ruff: noqa: E501

from agent.vision.judge import Judge

VIN = Judge.parse("""
0.768 0.9162 0.8769 2.146 -0.004681 0.7272 0.8523 0.6783 2.162 -0.1955
0.1158 0.109 0.1839 0.5549 0.354 0.1412 0.1473 0.3285 0.5299 0.4683
-0.445 0.8989 1.411 0.8728 0.01728 -0.1023 0.6577 0.5211 -0.0051 0.05884 0.5034 0.4015 0.317 -0.2145 0.05361 -0.085 -0.1042 -0.285 -0.1976 0.2237 0.2378 0.3026 -0.1578 0.1707 -0.04837 0.08063 -0.168 -0.03701 0.3764 0.2818 0.4873 0.003964 -0.02209 0.1746 -0.2132 -0.292 0.4121 0.2552 -0.142 0.04376 0.01105 -0.04724 0.4037 0.1179 -0.0247 -0.3625 -0.259 -0.228 -0.1867 -0.2553 0.2049 0.6394 0.3799 -0.02133 -0.06339 0.4824 0.2234 -0.2067 -0.2153 0.0221 -0.2604 0.1784 0.2614 0.1133 -0.003661 -0.1469
""")
