# Sets Larimar up where that is still to be done, and starts it:
#   powershell -ExecutionPolicy Bypass -File packaging\run.ps1 [arguments of main.py]
# Not run by us yet: we had no Windows machine. Tell us what happens. environment.ps1 does the work.
. "$PSScriptRoot\environment.ps1"
$python = Initialize-Environment -Folder '.venv' -Extras @()
& $python (Join-Path $root 'main.py') @args
exit $LASTEXITCODE
