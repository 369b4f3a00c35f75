# What run.ps1 and test.ps1 share: makes a virtual environment and keeps it up to date, as environment.sh does.
# Not run by us yet: we had no Windows machine. LARIMAR_EXTRA (cpu or gpu) and LARIMAR_PYTHON mean the same as there.
$ErrorActionPreference = 'Stop'
$root = Split-Path $PSScriptRoot

function Test-Python([string[]]$Command) {
    try {
        $rest = @($Command | Select-Object -Skip 1)
        & $Command[0] @rest -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'
        return $LASTEXITCODE -eq 0
    } catch {
        return $false
    }
}

function Find-Python {
    $candidates = @(, @('py', '-3')) + @(, @('python')) + @(, @('python3'))
    if ($env:LARIMAR_PYTHON) { $candidates = @(, @($env:LARIMAR_PYTHON)) + $candidates }
    foreach ($candidate in $candidates) {
        if (Test-Python $candidate) { return $candidate }
    }
    throw 'Larimar needs Python 3.11, 3.12, 3.13 or 3.14, and none was found. Install one, or name it in LARIMAR_PYTHON.'
}

function Select-Extra {
    if ($env:LARIMAR_EXTRA) { return $env:LARIMAR_EXTRA }
    if ($env:PROCESSOR_ARCHITECTURE -eq 'AMD64' -and (Get-Command nvidia-smi -ErrorAction SilentlyContinue)) {
        try {
            if ((& nvidia-smi -L) -match '^GPU ') { return 'gpu' }
        } catch {
            return 'cpu'
        }
    }
    return 'cpu'
}

# Returns the path of an environment's Python that has what pyproject.toml, constraints.txt and the extras ask for.
function Initialize-Environment([string]$Folder, [string[]]$Extras) {
    $venv = Join-Path $root $Folder
    $python = Join-Path $venv 'Scripts\python.exe'
    $stamp = Join-Path $venv 'larimar-stamp'
    $extra = Select-Extra
    $all = (@($extra) + $Extras) -join ','
    $files = @((Join-Path $root 'pyproject.toml'), (Join-Path $root 'packaging\constraints.txt'))
    $key = "$all $(($files | ForEach-Object { (Get-FileHash $_).Hash }) -join ' ') $root"
    if ((Test-Path $python) -and (Test-Path $stamp) -and ((Get-Content $stamp -Raw).Trim() -eq $key)) {
        return $python
    }
    if (-not (Test-Path $python)) {
        $command = @(Find-Python)
        $rest = @($command | Select-Object -Skip 1)
        & $command[0] @rest -m venv --clear $venv | Out-Host
        if ($LASTEXITCODE -ne 0) { throw "No virtual environment could be made in $venv." }
    }
    if (Test-Path $stamp) { Remove-Item $stamp }
    Write-Host "Installing Larimar ($all) into $venv; the first time this takes some minutes."
    # Both wheels hold the module onnxruntime, so that removing one breaks the other: to change, both go first.
    $unwanted = if ($extra -eq 'gpu') { 'onnxruntime' } else { 'onnxruntime-gpu' }
    $names = & $python -c "import importlib.metadata as m; print(*[d.name for d in m.distributions()])"
    if (($names -split ' ') -contains $unwanted) {
        & $python -m pip uninstall -y -q onnxruntime onnxruntime-gpu | Out-Host
    }
    Push-Location $root
    try {
        & $python -m pip install --disable-pip-version-check --no-input -c packaging/constraints.txt -e ".[$all]" |
            Out-Host
        if ($LASTEXITCODE -ne 0) {
            throw 'The installation failed; the reason is above. Check the connection and type the same command again.'
        }
    } finally {
        Pop-Location
    }
    Set-Content $stamp $key
    return $python
}
