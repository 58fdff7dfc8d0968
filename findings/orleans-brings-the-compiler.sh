#!/bin/bash
# Microsoft.Orleans.Server 10.4.2: its packages name Roslyn (Microsoft.CodeAnalysis.Common and .Workspaces.Common) as dependencies with all their assets, so 7 MB of a compiler's
# libraries lie in the output of every silo and are published with it. The generator that needs them runs in the compiler, which has its own; a silo that serves calls loads none.
# Without them (ExcludeAssets="runtime") the same program does the same. Needs the .NET SDK 10.
set -euo pipefail

version=10.4.2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

cat >Program.cs <<'PROGRAM'
using System;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Hosting;

var builder = Host.CreateApplicationBuilder();
builder.Logging.ClearProviders();
builder.UseOrleans(silo => silo.UseLocalhostClustering(siloPort: FreePort(), gatewayPort: FreePort()));
using var host = builder.Build();
await host.StartAsync();
var answer = await host.Services.GetRequiredService<IGrainFactory>().GetGrain<ICounter>("c").AddAsync(41);
var loaded = AppDomain.CurrentDomain.GetAssemblies().Count(a => a.GetName().Name!.StartsWith("Microsoft.CodeAnalysis"));
Console.WriteLine($"the grain answers {answer}, {loaded} of Roslyn's libraries are loaded");
Environment.Exit(0);

static int FreePort()
{
    using var listener = new TcpListener(IPAddress.Loopback, 0);
    listener.Start();
    return ((IPEndPoint)listener.LocalEndpoint).Port;
}

public interface ICounter : IGrainWithStringKey { Task<int> AddAsync(int value); }

public sealed class Counter : Grain, ICounter
{
    private int _value = 1;

    public Task<int> AddAsync(int value) => Task.FromResult(_value += value);
}
PROGRAM

# try NAME REFERENCES: publishes and runs the program
try() {
  mkdir "$1"; cp Program.cs "$1"
  cat >"$1/probe.csproj" <<PROJECT
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework><Nullable>enable</Nullable></PropertyGroup>
  <ItemGroup><PackageReference Include="Microsoft.Orleans.Server" Version="[$version]" />$2</ItemGroup>
</Project>
PROJECT
  dotnet publish "$1/probe.csproj" -c Release -o "$1/out" -v q >"$1/log" 2>&1 || { cat "$1/log"; exit 1; }
  echo "$(find "$1/out" -maxdepth 1 -name 'Microsoft.CodeAnalysis*.dll' | wc -l) files; $(dotnet "$1/out/probe.dll" | tail -n 1)"
}

seen=$(try with '')
without=$(try without '<PackageReference Include="Microsoft.CodeAnalysis.Common" Version="5.0.0" ExcludeAssets="runtime" />
  <PackageReference Include="Microsoft.CodeAnalysis.Workspaces.Common" Version="5.0.0" ExcludeAssets="runtime" />')
echo "Microsoft.Orleans.Server $version, Microsoft.CodeAnalysis*.dll in what is published ($(cat with/out/Microsoft.CodeAnalysis*.dll | wc -c) bytes):"
echo "as it comes:  $seen"
echo "left out:     $without"
answer="the grain answers 42, 0 of Roslyn's libraries are loaded"
[ "$seen" = "2 files; $answer" ] && [ "$without" = "0 files; $answer" ] || { echo "It behaves otherwise now."; exit 1; }
