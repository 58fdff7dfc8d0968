#!/bin/bash
# Cronos 0.13.0: when day of month and day of week are both restricted, a time must match both. In cron (POSIX, and Vixie's, which systems have) one of the two is enough:
# "0 0 13 * 5" there is every 13th and every Friday, 64 times in 2027; here it is Friday the 13th, once. No error, no option.
# Needs the .NET SDK 10.
set -euo pipefail

version=0.13.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

cat >probe.csproj <<PROJECT
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageReference Include="Cronos" Version="[$version]" /></ItemGroup>
</Project>
PROJECT
cat >Program.cs <<'PROGRAM'
using System;
using System.Linq;
using Cronos;

var from = new DateTime(2027, 1, 1, 0, 0, 0, DateTimeKind.Utc);
var times = CronExpression.Parse("0 0 13 * 5").GetOccurrences(from, from.AddYears(1)).ToList();
Console.WriteLine($"{times.Count} times: {string.Join(' ', times.Select(t => t.ToString("yyyy-MM-dd")))}");
PROGRAM

seen=$(dotnet run | tail -n 1)
echo "Cronos $version, the times of \"0 0 13 * 5\" in 2027:"
echo "$seen"
[ "$seen" = "1 times: 2027-08-13" ] || { echo "It behaves otherwise now."; exit 1; }
