"""What happens when the package is built: the browser SDK is made of its TypeScript, then setuptools does the rest.

backend     the build backend that pyproject.toml names
sdk         makes gateway/web/dist, where its sources changed
"""
