"""Every error code of every vendor as data: agent.ocr.faults reads these tables, one module per vendor."""
