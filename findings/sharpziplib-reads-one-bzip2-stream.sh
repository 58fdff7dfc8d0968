#!/bin/bash
# SharpZipLib 1.4.2: BZip2InputStream ends after the first of several bzip2 streams that follow each other. Such a file is valid bzip2 (pbzip2 and lbzip2 write no others, and so does
# "cat a.bz2 b.bz2"), and bzip2 gives all of it. No error: the rest is lost without a word.
# Needs the .NET SDK 10, and bzip2.
set -euo pipefail

version=1.4.2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

cat >probe.csproj <<PROJECT
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageReference Include="SharpZipLib" Version="[$version]" /></ItemGroup>
</Project>
PROJECT
cat >Program.cs <<'PROGRAM'
using System;
using System.IO;
using ICSharpCode.SharpZipLib.BZip2;

using var reader = new StreamReader(new BZip2InputStream(File.OpenRead(args[0])));
Console.WriteLine(reader.ReadToEnd());
PROGRAM

{ printf 'first,' | bzip2; printf 'second' | bzip2; } >two.bz2
whole=$(bzip2 -dc two.bz2)
seen=$(dotnet run -- two.bz2)
echo "SharpZipLib $version, a file of two bzip2 streams:"
echo "bzip2 -dc: $whole; BZip2InputStream: $seen"
[ "$whole" = "first,second" ] && [ "$seen" = "first," ] || { echo "It behaves otherwise now."; exit 1; }
