"""Synthetic faces whose truth is exact: people, acting, cameras, light, things in front, lens and sensor."""
