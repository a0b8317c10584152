# Throws inside a few calls and reports it, as a service written by a customer would.
import os

import sentry_sdk

sentry_sdk.init(dsn=os.environ["SENTRY_DSN"], release="billing@3.0.1", environment="staging", default_integrations=False)
sentry_sdk.set_tag("region", "eu")


def charge(order):
    amount = order["total"] / order["parts"]
    return amount


try:
    charge({"total": 10, "parts": 0})
except ZeroDivisionError as error:
    print(sentry_sdk.capture_exception(error))
sentry_sdk.flush(timeout=5)
