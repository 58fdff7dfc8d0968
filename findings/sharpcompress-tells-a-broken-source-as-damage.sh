#!/bin/bash
# SharpCompress 0.50.8: when the stream that BZip2Stream reads from throws an IOException, as a broken connection does, BZip2Stream drops it and says that the file ends unexpectedly: a failure
# that is worth another try looks like damage that is not. GZipStream of .NET passes the exception on. The file itself is whole and valid.
# Needs the .NET SDK 10, and bzip2.
set -euo pipefail

version=0.50.8
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

cat >probe.csproj <<PROJECT
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework></PropertyGroup>
  <ItemGroup><PackageReference Include="SharpCompress" Version="[$version]" /></ItemGroup>
</Project>
PROJECT
cat >Program.cs <<'PROGRAM'
using System;
using System.IO;
using System.IO.Compression;
using SharpCompress.Compressors.BZip2;

Console.WriteLine("BZip2Stream: " + Tell(Cut("text.bz2"), s => BZip2Stream.Create(s, SharpCompress.Compressors.CompressionMode.Decompress, false)));
Console.WriteLine("GZipStream: " + Tell(Cut("text.gz"), s => new GZipStream(s, CompressionMode.Decompress)));

// The first half of a file, and then a connection that breaks.
static Stream Cut(string file)
{
    var bytes = File.ReadAllBytes(file);
    return new Breaking(new MemoryStream(bytes, 0, bytes.Length / 2));
}

static string Tell(Stream source, Func<Stream, Stream> open)
{
    try
    {
        using var target = new MemoryStream();
        open(source).CopyTo(target);
        return "an end without an error";
    }
    catch (Exception e)
    {
        return e.GetType().Name + ": " + e.Message;
    }
}

class Breaking(Stream half) : Stream
{
    public override int Read(byte[] buffer, int offset, int count) => half.Read(buffer, offset, count) is > 0 and var n ? n : throw new IOException("the connection broke");
    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
PROGRAM

seq 200000 >text
bzip2 -k text; gzip -k text
echo "SharpCompress $version, a source that throws IOException half way:"
dotnet run | tee seen
grep -q '^BZip2Stream: ArchiveOperationException: .*ends unexpectedly$' seen && grep -q '^GZipStream: IOException: the connection broke$' seen || { echo "It behaves otherwise now."; exit 1; }
