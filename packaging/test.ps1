# Sets the test environment up where that is still to be done, and runs all checks:
#   powershell -ExecutionPolicy Bypass -File packaging\test.ps1
# With arguments only pytest runs, with them. Not run by us yet: we had no Windows machine. Tell us what happens.
. "$PSScriptRoot\environment.ps1"
$python = Initialize-Environment -Folder '.venv-test' -Extras @('export', 'test')
Set-Location $root
$failed = $false
# Where Node.js is, folders of ours are run in transformers.js as well; without it these tests skip.
if ($args.Count -eq 0) { & $python tests\transformers_js\install.py }
if ($args.Count -eq 0) {
    & $python -m ruff check .
    if ($LASTEXITCODE -ne 0) { $failed = $true }
    & $python -m ruff format --check .
    if ($LASTEXITCODE -ne 0) { $failed = $true }
    & $python -m mypy
    if ($LASTEXITCODE -ne 0) { $failed = $true }
    & (Join-Path (Split-Path $python) 'lint-imports.exe')
    if ($LASTEXITCODE -ne 0) { $failed = $true }
}
& $python -m pytest @args
$status = $LASTEXITCODE
if ($failed -and $status -eq 0) { $status = 1 }
exit $status
