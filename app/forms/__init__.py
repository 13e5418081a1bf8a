"""Forms made from the configuration's own field declarations: see `app.forms.form`."""
