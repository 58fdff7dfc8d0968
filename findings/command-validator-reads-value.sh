#!/bin/bash
# System.CommandLine 2.0.11: when the validator of a command reads the value of an argument, the validators of that argument do not run any more.
# The value is converted for the first reader and kept; validation happens with the conversion, and the validators of the command come first. No error, no warning.
# Needs the .NET SDK 10.
set -euo pipefail

version=2.0.11
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

cat >probe.csproj <<PROJECT
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageReference Include="System.CommandLine" Version="[$version]" /></ItemGroup>
</Project>
PROJECT
cat >Program.cs <<'PROGRAM'
using System;
using System.CommandLine;

Console.WriteLine($"value not read: {Errors(reads: false)} error; value read: {Errors(reads: true)} errors");

static int Errors(bool reads)
{
    var path = new Argument<string[]>("PATH") { Arity = ArgumentArity.ZeroOrMore };
    path.Validators.Add(result => result.AddError("never valid"));
    var command = new RootCommand { path };
    command.Validators.Add(result =>
    {
        if (reads)
            _ = result.GetValue(path);
    });
    return command.Parse(["x"]).Errors.Count;
}
PROGRAM

seen=$(dotnet run | tail -n 1)
echo "System.CommandLine $version, an argument whose validator refuses everything, and a validator of its command:"
echo "$seen"
[ "$seen" = "value not read: 1 error; value read: 0 errors" ] || { echo "It behaves otherwise now."; exit 1; }
