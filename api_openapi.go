package main

func openapiDocument() map[string]any { return map[string]any{"openapi": "3.1.0"} }
