"""Addresses of the site."""

from __future__ import annotations

from articles import views
from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("", views.search, name="search"),
    path("articles/<int:pk>/", views.article, name="article"),
    path("admin/", admin.site.urls),
]
