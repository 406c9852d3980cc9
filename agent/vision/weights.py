"""What a line that the plate finder marked is worth; made by tests/bench/train/plates.py, not by hand.

Trained on photographs of the set "vin-detection", version 7, by kirill-sergeev on Roboflow Universe, CC BY 4.0
(https://universe.roboflow.com/kirill-sergeev/vin-detection); only numbers derived from them are kept here.
"""
# ruff: noqa: E501

from agent.vision.judge import Judge

VIN = Judge.parse("""
0.7829 0.9309 0.8959 2.238 0.01906 0.7697 0.9042 0.8695 2.221 -0.1337
0.09503 0.09034 0.09999 0.568 0.25 0.1119 0.1134 0.1284 0.5402 0.4681
-0.09681 0.3258 0.7462 1.055 0.4354 -0.2414 0.583 0.5561 0.3725 0.2716 0.6115 -0.0261 0.1756 0.1263 0.09614 -0.08533 -0.2824 -0.2565 -0.3808 -0.05934 -0.4566 0.2153 0.1446 0.4097 -0.1145 -0.09201 -0.1141 -0.1208 0.3156 -0.3398 0.2852 0.03159 0.1411 -0.125 -0.2135 -0.2403 0.0162 -0.3794 0.1006 0.09124 -0.01911 0.1682 -0.07451 0.1164 0.3394 -0.1347 -0.08622 -0.2063 0.1709 -0.002844 -0.1108 0.2076 0.1671 0.257 0.08538 0.1935 0.1128 0.1517 0.2156 0.05859 0.1904 0.2799 -0.1104 0.03957 0.184 0.5595
""")
