final class DeviceCode { public static void main(String[] a) {} }
