"""Runs in the camera tree: opens the camera, says so, and has it until it is killed."""

import time

from agent import config
from agent.camera.picamera import PiCamera
from agent.clock import Clock

if __name__ == "__main__":
    with PiCamera(config.Camera(), Clock()) as camera:
        camera.read()
        print("held", flush=True)
        time.sleep(600)
