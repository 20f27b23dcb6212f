"""Prints for each line of standard input whether python-jose accepts or rejects the token."""

import base64
import datetime
import json
import sys
import warnings

warnings.simplefilter("ignore")
from jose import jwt  # noqa: E402

NOW = 1_800_000_000


class Clock(datetime.datetime):
    @classmethod
    def utcnow(cls):
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=NOW)


jwt.datetime = Clock

for line in sys.stdin:
    case = json.loads(line)
    key = case["key"] if case["pem"] else base64.b64decode(case["key"])
    options = {"leeway": case["leeway"], "require_exp": True, "require_iss": True, "require_sub": True, "require_aud": True}
    try:
        jwt.decode(case["token"], key, algorithms=[case["alg"]], audience="api.test", issuer="https://issuer.test", options=options)
        print("accept")
    except Exception:  # every exception is a refusal
        print("reject")
    sys.stdout.flush()
