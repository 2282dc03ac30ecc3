"""Class names with a meaning of their own: nobody's class may be called so."""

NULL = "NULL"  # looked at, nothing there
AVERAGE = "Average"  # the first row of a performance table
# A spreadsheet runs a cell that begins with one of these.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
