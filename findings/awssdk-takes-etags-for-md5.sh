#!/bin/bash
# AWSSDK.S3 4.1.0: GetObject takes every ETag without a "-" for the MD5 of the body, also with ResponseChecksumValidation = WHEN_REQUIRED. An ETag is opaque: stores that encrypt,
# compress or count versions give others. One of 32 hexadecimal digits makes reading the body fail ("Expected hash not equal to calculated hash"); any other text ends in a
# FormatException. The same with "-1" at its end, as of a multipart upload, is read.
# Needs the .NET SDK 10. The server is a few lines of HttpListener on loopback; the signature is not looked at.
set -euo pipefail

version=4.1.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

cat >probe.csproj <<PROJECT
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageReference Include="AWSSDK.S3" Version="[$version]" /></ItemGroup>
</Project>
PROJECT
cat >Program.cs <<'PROGRAM'
using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;
using Amazon.Runtime;
using Amazon.S3;

var body = Encoding.ASCII.GetBytes("hello");
var md5 = Convert.ToHexStringLower(MD5.HashData(body));
var etag = "";
var port = new TcpListener(IPAddress.Loopback, 0);
port.Start();
var free = ((IPEndPoint)port.LocalEndpoint).Port;
port.Stop();
using var server = new HttpListener();
server.Prefixes.Add($"http://127.0.0.1:{free}/");
server.Start();
_ = Task.Run(async () =>
{
    while (true)
    {
        var http = await server.GetContextAsync();
        http.Response.Headers["ETag"] = $"\"{etag}\"";
        http.Response.ContentLength64 = body.Length;
        http.Response.OutputStream.Write(body);
        http.Response.Close();
    }
});
using var s3 = new AmazonS3Client(
    new BasicAWSCredentials("key", "secret"),
    new AmazonS3Config { ServiceURL = $"http://127.0.0.1:{free}", ForcePathStyle = true, AuthenticationRegion = "us-east-1", ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED });
foreach (var (name, value) in new[] { ("the body's MD5", md5), ("32 other hex digits", new string('0', 32)), ("the same with -1", new string('0', 32) + "-1"), ("12 characters", "abcdefghijkl") })
{
    etag = value;
    Console.WriteLine($"ETag {name}: {await ReadAsync()}");
}

async Task<string> ReadAsync()
{
    try
    {
        using var answer = await s3.GetObjectAsync("bucket", "object");
        using var reader = new StreamReader(answer.ResponseStream);
        return "read " + await reader.ReadToEndAsync();
    }
    catch (Exception e)
    {
        return e.GetType().Name + ": " + e.Message;
    }
}
PROGRAM

seen=$(dotnet run | grep '^ETag')
echo "AWSSDK.S3 $version, GetObject of the five bytes \"hello\", by the ETag that the store answers:"
echo "$seen"
[ "$(cut -d: -f1,2 <<<"$seen")" = "ETag the body's MD5: read hello
ETag 32 other hex digits: AmazonClientException
ETag the same with -1: read hello
ETag 12 characters: FormatException" ] || { echo "It behaves otherwise now."; exit 1; }
