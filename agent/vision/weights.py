"""What a line that the plate finder marked is worth; made by tests/bench/train/plates.py, not by hand.

Trained on photographs of the set "vin-detection", version 7, by kirill-sergeev on Roboflow Universe, CC BY 4.0
(https://universe.roboflow.com/kirill-sergeev/vin-detection); only numbers derived from them are kept here.
"""
# ruff: noqa: E501

from agent.vision.judge import Judge

VIN = Judge.parse("""
0.795 0.9454 0.9193 2.313 -0.02048 0.8053 0.9339 0.9072 2.303 -0.2072
0.08616 0.07542 0.07626 0.53 0.2326 0.0914 0.08557 0.09715 0.5394 0.414
1.029 0.4615 0.8568 0.362 0.2757 -0.2038 0.587 0.6896 0.5175 0.2771 0.6432 0.1839 0.2392 -0.1799 0.2001 -0.2383 -0.1826 -0.02559 -0.07235 0.1951 -0.1317 0.34 -0.226 0.2226 -0.09053 -0.1751 -0.1504 -0.2021 0.2533 -0.06176 0.1298 0.2505 -0.5451 0.3499 0.07427 0.09991 0.0977 0.1068 -0.02822 0.1544 -0.1568 -0.197 0.06943 0.05469 0.2747 -0.2959 0.3396 0.2325 0.04787 0.156 0.1301 0.1884 0.1516 0.1566 -0.1466 0.1568 0.2735 -0.1411 -0.2963 0.1055 -0.0374 0.109 0.06931 0.001122 0.07527 0.234
""")
