"""What a line that the plate finder marked is worth; made by tests/bench/train/plates.py, not by hand.

Trained on photographs of the set "vin-detection", version 7, by kirill-sergeev on Roboflow Universe, CC BY 4.0
(https://universe.roboflow.com/kirill-sergeev/vin-detection); only numbers derived from them are kept here.
"""
# ruff: noqa: E501

from agent.vision.judge import Judge

VIN = Judge.parse("""
0.7835 0.9314 0.8976 2.242 -0.009869 0.7867 0.9142 0.8848 2.25 -0.1109
0.09984 0.1013 0.07936 0.5438 0.2556 0.1026 0.1059 0.1146 0.5074 0.4273
-0.1841 0.7567 1.262 0.8447 0.3765 -0.2425 0.761 0.738 0.352 0.1419 0.5438 0.00586 0.04074 -0.06062 -0.004636 -0.1117 -0.244 -0.1552 -0.2306 -0.09294 -0.2793 0.1998 0.03133 0.2966 -0.007598 0.1175 0.1539 -0.01488 0.2359 0.0412 0.1584 0.1694 0.1348 -0.07422 -0.00419 -0.09336 0.1311 -0.2312 0.04431 0.1856 -0.09929 -0.1613 0.003107 0.1954 0.3231 -0.1667 0.417 0.3029 0.1556 0.1553 0.2219 0.1009 0.04979 0.1234 0.05864 0.1532 0.05988 0.07918 -0.06305 0.09375 0.2099 0.1559 -0.02766 0.2726 0.4207 0.1333
""")
