"""Our database (a Django app): rows are reached by saying who is looking (``access``), never by the models.

Importing it sets Django up; which database it is ``database.connect`` says afterwards.
"""

from __future__ import annotations

import django
from django.apps import apps

from crmservice import bootstrap

# Where Django itself comes first (a web server, manage.py) it is already at it.
if not (apps.ready or apps.loading):
    bootstrap.prepare()
    django.setup()
