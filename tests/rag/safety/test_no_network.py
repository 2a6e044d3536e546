"""No filter of personal data touches the network: sockets are cut, and all of them run."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import socket

def refused(*args, **kwargs):
    raise AssertionError("the network was asked")

socket.socket.connect = socket.socket.connect_ex = refused
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refused

from rag.safety.build import build_pii
from rag.safety.policy import DEFAULT

text = '''Mail bob@example.co.uk or see https://www.example.org/a?token=Zq81kd0Pw3nVx7Aa.
Call +44 20 7946 0958, card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00.
Send coins to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa from 192.168.1.10, 00:1A:2B:3C:4D:5E.
SSN 536-90-4399, NHS number 943 476 5919, passport number X12345678, DOB: 12/03/1985.
Anna Berg of Brightware Technologies lives at 12 Main Street, Springfield, IL 62704.
password: hunter2! and ghp_a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2a1B2'''
pii = build_pii("", DEFAULT, report_names=True)
stages = ("question", "passage", "answer")
print(*{f.label for stage in stages for f in pii.find(text, stage)})
"""


def test_all_kinds_are_found_with_sockets_cut() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {
        "API_KEY",
        "CREDIT_CARD",
        "CRYPTO",
        "DATE_OF_BIRTH",
        "EMAIL_ADDRESS",
        "HEALTH_ID",
        "IBAN_CODE",
        "IP_ADDRESS",
        "MAC_ADDRESS",
        "ORGANIZATION",
        "PASSPORT",
        "PASSWORD",
        "PERSON",
        "PHONE_NUMBER",
        "SECRET",
        "STREET_ADDRESS",
        "URL",
        "US_SSN",
    } <= set(done.stdout.split())
